// What the clients of both TypeScript SDKs share: a plan is read, its steps are run, and what the client saw is
// printed, one JSON object a line.
//
//   node typescript_client.mjs '{"url": "http://127.0.0.1:8000/mcp", "mode": "session", "steps": [{"list": "tools"}]}'
//
// `mode` is "session" (2025-11-25, with initialize) or "stateless" (2026-07-28). A step is one of
//   {"list": "tools"}                                  or "prompts", "resources", "templates": all pages
//   {"call": NAME, "arguments": {...}, "seen": URL}    `seen`: where each progress notification is acknowledged
//   {"prompt": NAME, "arguments": {...}}
//   {"read": URI}
// Questions of the server are answered at once: sampling with "sampled: " and the question, elicitation with the plan's
// `answers`.

import { createHash } from 'node:crypto';

export const plan = JSON.parse(process.argv[2]);
export const stateless = plan.mode === 'stateless';

let asked = [];

const say = line => process.stdout.write(JSON.stringify(line) + '\n');

// An error as a program that uses the SDK sees it.
const shown = error => ({
    type: error?.constructor?.name ?? typeof error,
    code: error?.code,
    message: String(error?.message ?? error),
    data: error?.data,
    status: error?.status,
});

// A long text as its length in bytes and its hash.
const summed = text => {
    const bytes = Buffer.from(text);
    return bytes.length <= 4096 ? text : { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
};

const texts = blocks => summed(blocks.map(block => block.text ?? '').join('\n'));

export const sample = async request => {
    asked.push('sampling');
    const question = [request.params.messages.at(-1).content].flat()[0];
    return { role: 'assistant', model: 'test-model', content: { type: 'text', text: `sampled: ${question.text ?? ''}` } };
};

export const elicit = async () => {
    asked.push('elicitation');
    return { action: 'accept', content: plan.answers ?? {} };
};

const LISTS = {
    tools: ['listTools', 'tools', 'name'],
    prompts: ['listPrompts', 'prompts', 'name'],
    resources: ['listResources', 'resources', 'uri'],
    templates: ['listResourceTemplates', 'resourceTemplates', 'uriTemplate'],
};

// What a list offers by name, on all its pages.
const allPages = async (client, what) => {
    const [ask, entries, name] = LISTS[what];
    const names = [];
    let cursor;
    do {
        const page = await client[ask](cursor === undefined ? undefined : { cursor });
        names.push(...page[entries].map(entry => entry[name]));
        cursor = page.nextCursor;
    } while (cursor);
    return names;
};

const run = async (client, callTool, step) => {
    if (step.list) {
        return { [step.list]: await allPages(client, step.list) };
    }
    if (step.prompt) {
        const prompt = await client.getPrompt({ name: step.prompt, arguments: step.arguments ?? {} });
        return { text: texts(prompt.messages.map(message => message.content)) };
    }
    if (step.read) {
        return { text: texts((await client.readResource({ uri: step.read })).contents) };
    }
    const progress = [];
    const begin = performance.now();
    const at_ms = () => performance.now() - begin;
    const result = await callTool({ name: step.call, arguments: step.arguments ?? {} }, {
        timeout: 30000,
        onprogress: ({ progress: value }) => {
            progress.push({ value, at_ms: at_ms() });
            if (step.seen) fetch(`${step.seen}/${value}`, { method: 'POST' });
        },
    });
    return { is_error: result.isError ?? false, text: texts(result.content), progress, at_ms: at_ms() };
};

// Runs the plan. `connect` gives the revision that was agreed; `callTool` hides how the two SDKs differ.
export const drive = async ({ client, connect, callTool, close }) => {
    try {
        say({ step: 'connect', revision: await connect() });
        for (const step of plan.steps) {
            asked = [];
            const kind = ['list', 'call', 'prompt', 'read'].find(kind => kind in step);
            try {
                say({ step: kind, name: step[kind], seen: await run(client, callTool, step), asked });
            } catch (error) {
                say({ step: kind, name: step[kind], error: shown(error), asked });
            }
        }
        await close();
        say({ step: 'end' });
    } catch (error) {
        say({ step: 'end', error: shown(error) });
    }
    process.exit();
};
