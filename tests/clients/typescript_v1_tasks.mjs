// Drives tasks (2025-11-25) with the official TypeScript SDK, version 1, on the server "everything"; prints what it saw, one JSON object a line.
//
//   node typescript_v1_tasks.mjs '{"url": "http://127.0.0.1:8000/mcp", "intrudes": true}'
//
// It says in `x-user` who it is: Alice; and what comes of it when somebody else, Bob, who knows her session and the ids of her tasks, asks for one,
// and with `intrudes` all else that he may try. Ids are `task-1`, `task-2` in what it prints, in the order in which it met them.

import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
    CallToolResultSchema,
    CreateMessageRequestSchema,
    CreateTaskResultSchema,
    ElicitRequestSchema,
    RELATED_TASK_META_KEY,
} from '@modelcontextprotocol/sdk/types.js';
import { plan, sample } from './plan.mjs';

const names = new Map();
const named = id => {
    if (!names.has(id)) names.set(id, `task-${new Set(names.values()).size + 1}`);
    return names.get(id);
};
const unnamed = text => [...names].reduce((text, [id, name]) => text.replaceAll(id, name), text);
const say = line => process.stdout.write(unnamed(JSON.stringify(line)) + '\n');
const related = message => named(message?._meta?.[RELATED_TASK_META_KEY]?.taskId);
const shown = error => ({ code: error?.code, message: String(error?.message ?? error), data: error?.data });
const tried = attempt => attempt.catch(error => ({ error: shown(error) }));

const client = new Client(
    { name: 'meshward-tests', version: '1' },
    {
        capabilities: { sampling: {}, elicitation: {}, tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} } } } },
        taskStore: new InMemoryTaskStore(),
    },
);
client.setRequestHandler(ElicitRequestSchema, async request => {
    say({ elicited: related(request.params) });
    return { action: 'accept', content: { interpretation: 'snake' } };
});
// A task that the server asks for: its id is ours.
client.setRequestHandler(CreateMessageRequestSchema, async (request, extra) => {
    const task = await extra.taskStore.createTask({ ttl: 60000, pollInterval: 100 });
    say({ sampling: named(task.taskId) });
    await extra.taskStore.storeTaskResult(task.taskId, 'completed', await sample(request));
    return { task };
});

const transport = new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: { 'x-user': 'alice' } } });
await client.connect(transport);
say({ revision: transport.protocolVersion, tasks: client.getServerCapabilities().tasks });
await client.listTools();
const { tasks } = client.experimental;

// A task from its beginning to its result, with a question in the midst of it.
let last;
for await (const message of tasks.callToolStream({ name: 'simulate-research-query', arguments: { topic: 'python', ambiguous: true } })) {
    const line = message.task
        ? { type: message.type, task: named(message.task.taskId), status: message.task.status, ttl: message.task.ttl }
        : { type: message.type, text: message.result?.content, related: related(message.result), error: message.error && shown(message.error) };
    // How often it is asked for depends on time.
    if (JSON.stringify(line) !== last) say(line);
    last = JSON.stringify(line);
}

// What somebody else gets of another one.
const request = { method: 'tools/call', params: { name: 'simulate-research-query', arguments: { topic: 'hosts', ambiguous: false } } };
const { task } = await client.request(request, CreateTaskResultSchema, { task: { ttl: 60000 } });
say({ created: named(task.taskId) });
// The server's id, which its errors name.
const [servers] = task.taskId.split('~');
names.set(servers, named(task.taskId));
let sent = 0;
const send = async (user, method, params) => {
    const headers = {
        'x-user': user,
        'mcp-session-id': transport.sessionId,
        'mcp-protocol-version': transport.protocolVersion,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: `raw-${sent++}`, method, params });
    const response = await fetch(plan.url, { method: 'POST', headers, body, signal: AbortSignal.timeout(10000) });
    const text = await response.text();
    const data = text.split('\n').findLast(line => line.startsWith('data: '))?.slice(6) ?? text;
    const { result, error } = JSON.parse(data);
    return { status: response.status, result: result && { task: named(result.taskId), status: result.status }, error };
};
say({ by: 'alice', got: await send('alice', 'tasks/get', { taskId: task.taskId }) });
const on = id => ({ taskId: id });
const behalf = id => ({ name: 'echo', arguments: { message: 'x' }, _meta: { [RELATED_TASK_META_KEY]: { taskId: id } } });
say({ intruder: 'bob', method: 'tasks/get', got: await send('bob', 'tasks/get', on(task.taskId)) });
if (plan.intrudes) {
    for (const [intruder, id] of [['bob', task.taskId], ['bob', servers], ['alice', servers], ['alice', `x${task.taskId}`]]) {
        for (const [method, params] of [['tasks/get', on], ['tasks/result', on], ['tasks/cancel', on], ['tools/call', behalf]]) {
            say({ intruder, method, got: await send(intruder, method, params(id)) });
        }
    }
}
const status = task => task.error ? task : { task: named(task.taskId), status: task.status };
say({ still: status(await tasks.getTask(task.taskId)) });
say({ cancelled: status(await tried(tasks.cancelTask(task.taskId))) });
say({ result: await tried(tasks.getTaskResult(task.taskId, CallToolResultSchema)) });
say({ listed: await tried(tasks.listTasks().then(({ tasks }) => tasks.map(status))) });

// A task that the server has the client do, about which it asks by the client's id.
const asked = await client.callTool({ name: 'trigger-sampling-request-async', arguments: { prompt: 'why?' } });
say({ sampled: asked.content[0].text });
await transport.terminateSession();
await client.close();
say({ end: true });
process.exit();
