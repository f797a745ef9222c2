// Loaded in front of the conformance suite: its authorization server signs with the key in DPOP_ISSUER, a private JWK, and not with one
// that it makes for itself and tells nobody. A resource server has to know its issuer's key; the suite's own does not look.
const { subtle } = globalThis.crypto;
const curve = { name: 'ECDSA', namedCurve: 'P-256' };
const { d, ...point } = JSON.parse(process.env.DPOP_ISSUER);
const pair = {
  privateKey: await subtle.importKey('jwk', { ...point, d }, curve, true, ['sign']),
  publicKey: await subtle.importKey('jwk', point, curve, true, ['verify']),
};
const generate = subtle.generateKey.bind(subtle);
subtle.generateKey = async (algorithm, ...rest) =>
  algorithm.namedCurve === curve.namedCurve ? pair : generate(algorithm, ...rest);
