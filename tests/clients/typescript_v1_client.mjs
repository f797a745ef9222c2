// Drives the official TypeScript SDK, version 1, which knows sessions only; see plan.mjs.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { drive, elicit, plan, sample } from './plan.mjs';

const client = new Client({ name: 'meshward-tests', version: '1' }, { capabilities: { sampling: {}, elicitation: {} } });
client.setRequestHandler(CreateMessageRequestSchema, sample);
client.setRequestHandler(ElicitRequestSchema, elicit);

const transport = new StreamableHTTPClientTransport(new URL(plan.url));
await drive({
    client,
    connect: async () => {
        await client.connect(transport);
        return transport.protocolVersion;
    },
    callTool: (params, options) => client.callTool(params, undefined, options),
    close: async () => {
        await transport.terminateSession();
        await client.close();
    },
});
