// A server with tasks of the Tasks extension (2026-07-28, SEP-2663), and the tools that the conformance suite's scenarios of tasks call. It listens on a
// free port of the loopback interface, which it prints as {"port": NUMBER}. It does not look who asks for a task.

import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';

const EXTENSION = 'io.modelcontextprotocol/tasks';
const META = 'io.modelcontextprotocol/';
const tasks = new Map();

class Refusal extends Error {
    constructor(code, message, status = 200, data = undefined) {
        super(message);
        Object.assign(this, { code, status, data });
    }
}

const text = (text, more = {}) => ({ content: [{ type: 'text', text }], ...more });
const question = name => ({
    method: 'elicitation/create',
    params: { mode: 'form', message: `${name}?`, requestedSchema: { type: 'object', properties: { confirm: { type: 'boolean' } } } },
});

// A task that ends by itself after some seconds, or when its questions are answered.
const create = ({ seconds = 0, end, questions = [] }) => {
    const now = new Date().toISOString();
    const task = { taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now, ttlMs: 300000, pollIntervalMs: 100 };
    const finish = () => task.status === 'working' && Object.assign(task, end, { lastUpdatedAt: new Date().toISOString() });
    tasks.set(task.taskId, { task, finish });
    const created = { resultType: 'task', ...task };
    if (questions.length > 0) {
        Object.assign(task, { status: 'input_required', inputRequests: Object.fromEntries(questions.map(name => [name, question(name)])) });
    } else {
        setTimeout(finish, seconds * 1000).unref();
    }
    return created;
};

const completed = result => ({ status: 'completed', result });
const TOOLS = {
    greet: ({ name }) => ({ resultType: 'complete', ...text(`Hello, ${name}!`) }),
    slow_compute: ({ seconds, label }) => create({ seconds, end: completed(text(`${label} is done`)) }),
    failing_job: () => create({ end: completed(text('it failed', { isError: true })) }),
    protocol_error_job: () => create({ end: { status: 'failed', error: { code: -32603, message: 'Internal error' } } }),
    confirm_delete: ({ filename }) => create({ questions: ['confirm'], end: completed(text(`${filename} is gone`)) }),
    multi_input: () => create({ questions: ['first', 'second'], end: completed(text('both are there')) }),
};

const known = ({ taskId }) => {
    if (!tasks.has(taskId)) throw new Refusal(-32602, 'Task not found');
    return tasks.get(taskId);
};

const METHODS = {
    'server/discover': () => ({
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: {}, extensions: { [EXTENSION]: {} } },
        serverInfo: { name: 'tasks', version: '1' },
        ttlMs: 0,
        cacheScope: 'private',
    }),
    'tools/list': () => ({
        resultType: 'complete',
        tools: Object.keys(TOOLS).map(name => ({ name, inputSchema: { type: 'object' } })),
        ttlMs: 0,
        cacheScope: 'private',
    }),
    'tools/call': (params, declares) => {
        if (!Object.hasOwn(TOOLS, params.name)) throw new Refusal(-32602, `Unknown tool: ${params.name}`);
        if (params.name !== 'greet' && !declares) {
            if (params.name === 'slow_compute') return { resultType: 'complete', ...text('done at once') };
            throw new Refusal(-32021, 'Missing required client capability', 400, { requiredCapabilities: { extensions: { [EXTENSION]: {} } } });
        }
        return TOOLS[params.name](params.arguments ?? {});
    },
    'tasks/get': params => ({ resultType: 'complete', ...known(params).task }),
    'tasks/update': params => {
        const { task, finish } = known(params);
        for (const name of Object.keys(params.inputResponses ?? {})) delete task.inputRequests?.[name];
        if (task.status === 'input_required' && Object.keys(task.inputRequests).length === 0) {
            delete task.inputRequests;
            task.status = 'working';
            finish();
        }
        return { resultType: 'complete' };
    },
    'tasks/cancel': params => {
        const { task } = known(params);
        if (['working', 'input_required'].includes(task.status)) {
            delete task.inputRequests;
            task.status = 'cancelled';
        }
        return { resultType: 'complete' };
    },
};

const NAMES = { 'tools/call': 'name', 'tasks/get': 'taskId', 'tasks/update': 'taskId', 'tasks/cancel': 'taskId' };

const answer = (headers, { method, params = {} }) => {
    const name = params[NAMES[method]];
    if (headers['mcp-method'] !== method || (name !== undefined && headers['mcp-name'] !== undefined && headers['mcp-name'] !== name)) {
        throw new Refusal(-32020, 'Header mismatch', 400);
    }
    if (!Object.hasOwn(METHODS, method)) throw new Refusal(-32601, 'Method not found', 404);
    const declares = params._meta?.[`${META}clientCapabilities`]?.extensions?.[EXTENSION] !== undefined;
    if (method.startsWith('tasks/') && !declares) {
        throw new Refusal(-32021, 'Missing required client capability', 400, { requiredCapabilities: { extensions: { [EXTENSION]: {} } } });
    }
    return METHODS[method](params, declares);
};

const server = createServer(async (request, response) => {
    const body = [];
    try {
        for await (const piece of request) body.push(piece);
    } catch {
        return; // The head came, and then the proxy refused the body.
    }
    const message = JSON.parse(Buffer.concat(body).toString() || '{}');
    const reply = (status, member) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...member }));
    };
    try {
        reply(200, { result: answer(request.headers, message) });
    } catch (error) {
        reply(error.status ?? 500, { error: { code: error.code ?? -32603, message: error.message, data: error.data } });
    }
});
server.listen(0, '127.0.0.1', () => process.stdout.write(JSON.stringify({ port: server.address().port }) + '\n'));
