// Drives the official TypeScript SDK, version 2; see plan.mjs.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { drive, elicit, plan, sample, stateless } from './plan.mjs';

const client = new Client(
    { name: 'meshward-tests', version: '1' },
    {
        capabilities: { sampling: {}, elicitation: {} },
        versionNegotiation: stateless ? { mode: { pin: '2026-07-28' } } : undefined,
    },
);
client.setRequestHandler('sampling/createMessage', sample);
client.setRequestHandler('elicitation/create', elicit);

const transport = new StreamableHTTPClientTransport(new URL(plan.url));
await drive({
    client,
    connect: async () => {
        await client.connect(transport);
        return client.getNegotiatedProtocolVersion();
    },
    callTool: (params, options) => client.callTool(params, options),
    close: async () => {
        if (!stateless) await transport.terminateSession();
        await client.close();
    },
});
