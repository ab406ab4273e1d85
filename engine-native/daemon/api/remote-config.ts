// Settings of the remote API: an address and the three files without which it is never opened. Read by config.ts.
// Whoever may use the API is root on this host, so there is no way to serve it without client certificates.
import { text } from '@berth/kit/config.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface RemoteConfig {
  host: string;
  port: number;
  /** PEM files. A client is whoever holds a certificate of this CA. */
  caFile: string;
  certFile: string;
  keyFile: string;
}

export const remoteSettings = {
  BERTH_ENGINE_TCP: {
    about: 'host:port to serve the API on with mutual TLS',
    parse: parseAddress,
    fallback: undefined,
  },
  BERTH_ENGINE_TLS_CA: text('certificate of the CA that signs the clients', ''),
  BERTH_ENGINE_TLS_CERT: text('certificate of this engine', ''),
  BERTH_ENGINE_TLS_KEY: text('private key of this engine', ''),
};

interface RemoteValues {
  BERTH_ENGINE_TCP: Address | undefined;
  BERTH_ENGINE_TLS_CA: string;
  BERTH_ENGINE_TLS_CERT: string;
  BERTH_ENGINE_TLS_KEY: string;
}

interface Address {
  host: string;
  port: number;
}

function parseAddress(raw: string): Address | undefined {
  const [, bracketed, plain, digits = ''] =
    /^(?:tcp:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/]+)):(\d{1,5})$/.exec(raw) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535)
    throw new Error('must be host:port, such as 0.0.0.0:2376 or [::]:2376');
  return { host, port };
}

/** undefined: nothing is served but the unix socket. Throws `invalid` when a file is missing. */
export function remoteConfig(values: RemoteValues): RemoteConfig | undefined {
  if (!values.BERTH_ENGINE_TCP) return undefined;
  const files = {
    BERTH_ENGINE_TLS_CA: values.BERTH_ENGINE_TLS_CA,
    BERTH_ENGINE_TLS_CERT: values.BERTH_ENGINE_TLS_CERT,
    BERTH_ENGINE_TLS_KEY: values.BERTH_ENGINE_TLS_KEY,
  };
  const missing = Object.entries(files).flatMap(([name, file]) => (file === '' ? [name] : []));
  if (missing.length > 0)
    throw new AppError(
      'invalid',
      `bad configuration: BERTH_ENGINE_TCP is set, but not ${missing.join(', ')}`,
      {
        hint: 'the API is served over TCP with client certificates only; make them with "berth-engine certs"',
      },
    );
  return {
    ...values.BERTH_ENGINE_TCP,
    caFile: files.BERTH_ENGINE_TLS_CA,
    certFile: files.BERTH_ENGINE_TLS_CERT,
    keyFile: files.BERTH_ENGINE_TLS_KEY,
  };
}
