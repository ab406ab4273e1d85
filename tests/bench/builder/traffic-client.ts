// Sends requests at a fixed rate for some seconds and prints their latencies as JSON: traffic-client.ts PORT APP PER_SECOND SECONDS.
// A process of its own, above the platform's priority: it stands for users elsewhere, whom a build on this machine does not slow.
import { Agent } from 'node:http';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../helpers/app.ts';

setPriority(-15);
const [port = '', app = '', perSecond = '', seconds = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const latencies: number[] = [];
const pending: Promise<void>[] = [];
const total = Number(perSecond) * Number(seconds);
const start = performance.now();
let failed = 0;
for (let sent = 0; sent < total; sent++) {
  // From when it was due, so that a stall counts for all that would have been asked meanwhile.
  const due = start + (sent * 1000) / Number(perSecond);
  const wait = due - performance.now();
  if (wait > 0) await sleep(wait);
  const from = Math.min(due, performance.now()); // a timer may be early by a fraction
  pending.push(
    ask(Number(port), app, '/', {}, agent).then(
      ({ status }) => {
        if (status === 200) latencies.push(performance.now() - from);
        else failed++;
      },
      () => void failed++,
    ),
  );
}
await Promise.all(pending);
agent.destroy();
process.stdout.write(JSON.stringify({ latencies, failed }));
