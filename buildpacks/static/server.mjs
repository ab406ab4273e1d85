// Serves a static site on PORT; the default web process of static sites. Runs inside the app's container, on the app's Node, without packages.
// Ends on SIGTERM after the requests under way.
// @ts-check
import { createServer } from 'node:http';
import process from 'node:process';
import { respond } from './respond.mjs';
import { readSettings } from './settings.mjs';

const settings = readSettings(process.cwd(), process.env);
for (const problem of settings.problems) console.error(`left out: ${problem}`);
const port = Number(process.env.PORT ?? 5000);

const server = createServer((request, response) => {
  respond(settings, request, response).catch((error) => {
    console.error(`cannot answer ${request.method} ${request.url}: ${error.message}`);
    if (response.headersSent) response.destroy();
    else response.writeHead(500, { 'content-type': 'text/plain' }).end('internal error\n');
  });
});
server.listen(port, () => console.log(`serving ${settings.root} on port ${port}`));

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
