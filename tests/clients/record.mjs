// Records what a server that speaks over stdio answers: each line of stdin is a request's method and params, `["tools/call", {…}]`; each line of
// stdout is the response, as the server wrote it. So the files in tests/recorded were made, with @modelcontextprotocol/server-everything,
// -filesystem and -memory 2026.8.31, and mcp-server-time 2026.10.19:
//
//   node record.mjs npx -y @modelcontextprotocol/server-memory < ../recorded/memory.requests > ../recorded/memory.jsonl

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const [command, ...args] = process.argv.slice(2);
const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
const waiting = new Map();
let last = 0;

createInterface({ input: server.stdout }).on('line', line => {
    const message = JSON.parse(line);
    if (message.method && message.id !== undefined) {
        server.stdin.write(JSON.stringify({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'not here' } }) + '\n');
    } else {
        waiting.get(message.id)?.(line);
    }
});

function ask(method, params) {
    last += 1;
    server.stdin.write(JSON.stringify({ jsonrpc: '2.0', id: last, method, params }) + '\n');
    return new Promise(resolve => waiting.set(last, resolve));
}

const clientInfo = { name: 'record', version: '1' };
await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
server.stdin.write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) + '\n');
for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== '') {
        process.stdout.write((await ask(...JSON.parse(line))) + '\n');
    }
}
server.stdin.end();
server.kill();
process.exit(0);
