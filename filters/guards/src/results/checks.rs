//! Check digits: what a pattern matches and these do not is some other number.

/// How many letters an account number has by its country (ISO 13616, IBAN registry).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 \
    DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 \
    LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 \
    RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// All of a card's number, if its last digit is right (ISO/IEC 7812-1, annex B).
pub(crate) fn luhn(text: &str) -> Option<usize> {
    let digits = text.bytes().rev().filter_map(|b| char::from(b).to_digit(10));
    let sum: u32 = digits
        .zip([1_u32, 2].into_iter().cycle())
        .map(|(digit, weight)| {
            let product = digit.saturating_mul(weight);
            product.checked_sub(9).filter(|less| *less > 0).unwrap_or(product)
        })
        .sum();
    sum.is_multiple_of(10).then_some(text.len())
}

/// As much of a text as is an account number, by its country, if its check digits are right (ISO/IEC 7064, MOD 97-10).
pub(crate) fn iban(text: &str) -> Option<usize> {
    let country = text.get(..2)?;
    let length: usize = IBAN_LENGTHS.split(' ').find_map(|known| known.strip_prefix(country))?.parse().ok()?;
    let letters = || text.bytes().enumerate().filter(|(_, b)| *b != b' ').take(length);
    let (last, _) = letters().last().filter(|_| letters().count() == length)?;
    let end = last.saturating_add(1);
    // It is a word of its own.
    if text.as_bytes().get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let remainder = letters().skip(4).chain(letters().take(4)).fold(0_u32, |rest, (_, letter)| {
        let value = char::from(letter).to_digit(36).unwrap_or_default();
        let shift = if value < 10 { 10 } else { 100 };
        // Below 97 * 100 + 36.
        rest.saturating_mul(shift).saturating_add(value).checked_rem(97).unwrap_or_default()
    });
    (remainder == 1).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digit_is_noticed() {
        for card in
            ["4111111111111111", "5555 5555 5555 4444", "3782-822463-10005", "6011000990139424", "4222222222222"]
        {
            assert_eq!(luhn(card), Some(card.len()), "{card}");
            for (at, digit) in card.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
                let other = char::from_digit((digit.to_digit(10).unwrap() + 1) % 10, 10).unwrap();
                let mut wrong = card.to_owned();
                wrong.replace_range(at..=at, &other.to_string());
                assert_eq!(luhn(&wrong), None, "{wrong}");
            }
        }
    }

    #[test]
    fn an_account_number_ends_where_its_country_says() {
        // From the IBAN registry's own examples.
        for iban_ in [
            "GB29NWBK60161331926819",
            "DE89 3704 0044 0532 0130 00",
            "NO93 8601 1117 947",
            "FR1420041010050500013M02606",
        ] {
            assert_eq!(iban(iban_), Some(iban_.len()), "{iban_}");
            assert_eq!(iban(&format!("{iban_} NEXT WORD")), Some(iban_.len()), "{iban_}");
            assert_eq!(iban(&format!("{iban_}X")), None, "{iban_}");
            assert_eq!(iban(iban_.get(..iban_.len() - 1).unwrap()), None, "{iban_}");
            let swapped = iban_.replace('0', "1");
            assert_eq!(iban(&swapped), None, "{swapped}");
        }
        for other in ["ZZ29NWBK60161331926819", "", "G", "é9"] {
            assert_eq!(iban(other), None);
        }
    }
}
