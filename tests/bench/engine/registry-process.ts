// Our registry as a process of its own, without the engine around it: `registry-process.ts ROOT PORT`. Started by registries.ts.
import { FolderBlobStore } from '@berth/engine-daemon/content/folder-blob-store.ts';
import { startRegistry } from '@berth/engine-daemon/registry/start-registry.ts';
import { createLogger } from '@berth/kit/logging.ts';

const [root = '', port = ''] = process.argv.slice(2);
await startRegistry(
  {
    host: '127.0.0.1',
    port: Number(port),
    anonymous: 'all',
    cert: undefined,
    key: undefined,
    isInsecureAllowed: false,
    publicUrl: undefined,
    proxied: [],
  },
  { root, blobs: new FolderBlobStore(root), log: createLogger('registry', 'error') },
);
