// Berth's router for the benchmark, with a fixed table and no controller. Started by contenders.ts: serve-router PORT BACKEND_PORTS HOSTS LOG_FILE,
// or `serve-router load`, which only loads the code.
import { createLogger } from '@berth/kit/logging.ts';
import { startRouter } from '@berth/router/start-router.ts';

const [port = '', backendPorts = '', hosts = '', logPath = ''] = process.argv.slice(2);
if (port === 'load') process.exit(0);
const backends = backendPorts.split(',').map(Number);

const router = await startRouter({
  host: '127.0.0.1',
  port: Number(port),
  controllerSocket: '',
  adminSocket: '',
  snapshotPath: '',
  logPath,
  trustedProxies: [],
  log: createLogger('router', 'warn'),
});
const routes = Array.from({ length: Number(hosts) }, (_, i) => {
  // As in the others' configurations, hosts share the connections to a backend.
  const backend = i % backends.length;
  const target = { instance: `web.${backend}`, address: '127.0.0.1', port: backends[backend] ?? 0 };
  return { host: `app${i}.localhost`, app: `app${i}`, release: 1, state: 'live' as const, targets: [target] };
});
router.table.apply({ version: 1, full: true, routes });
