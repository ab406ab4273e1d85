// `berth-engine certs`: the files for the API over TCP, and the lines that use them.
import { resolve } from 'node:path';
import { makeCertificates } from '../certificates/make-certificates.ts';
import type { Command } from './command.ts';
import { list, text } from './command.ts';

export const certs: Command = {
  summary: 'make the certificates for remote clients; run again to renew them',
  usage: '',
  options: {
    dir: { type: 'string', value: 'DIR', about: 'where they are put (/etc/berth-engine)' },
    host: {
      type: 'string',
      value: 'NAME',
      about: 'a name or address that clients reach this engine by; may be repeated',
      multiple: true,
    },
  },
  positionals: [0, 0],
  run(input) {
    const dir = resolve(text(input, 'dir') ?? '/etc/berth-engine');
    const hosts = list(input, 'host');
    const names = hosts.length > 0 ? hosts : ['localhost', '127.0.0.1', '::1'];
    const { ca, cert, key, clientDir } = makeCertificates(dir, names);
    process.stdout.write(`Here, to serve:
  berth-engine serve --tcp 0.0.0.0:2376 --tls-ca ${ca} --tls-cert ${cert} --tls-key ${key}
There, with a copy of "${clientDir}" (whoever holds it is root here):
  export DOCKER_HOST=tcp://${bracketed(names[0] ?? '')}:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=<the copy>
`);
    return Promise.resolve();
  },
};

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
