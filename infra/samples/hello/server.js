// A small web app to push: one page, and /health for the curious. It listens on PORT, as every app on Berth does.
const { createServer } = require('node:http');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const page = readFileSync(join(__dirname, 'page.html'), 'utf8');
const facts = {
  release: process.env.BERTH_RELEASE ?? 'v1',
  node: process.version,
  greeting: process.env.GREETING ?? 'It works.',
};

function render() {
  return page.replace(/\{\{(\w+)\}\}/g, (_, name) => escapeHtml(String(facts[name] ?? '')));
}

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
}

const server = createServer((request, response) => {
  if (request.url === '/health') return response.end('ok\n');
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(render());
});
server.listen(Number(process.env.PORT ?? 3000), () => console.log(`listening on ${process.env.PORT ?? 3000}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
