// The reference server "everything" of the MCP project, on a free port of the loopback interface, which it prints as
// {"port": NUMBER} in its first line. By itself it listens on all interfaces and takes a fixed port.

import { createRequire } from 'node:module';
import { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

// It logs every request to stdout, which nobody reads.
console.log = () => {};
const listen = Server.prototype.listen;
Server.prototype.listen = function (_port, ...rest) {
    this.once('listening', () => process.stdout.write(JSON.stringify({ port: this.address().port }) + '\n'));
    return listen.call(this, 0, '127.0.0.1', ...rest.filter(argument => typeof argument === 'function'));
};

const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json');
await import(pathToFileURL(join(dirname(manifest), 'dist/transports/streamableHttp.js')).href);
