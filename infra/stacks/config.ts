// What the making of the stack takes from its environment: the way to the mirror. Nothing else here reads process.env.

/** mmdebstrap and apt see these variables and no others, so that the result depends on the recipe alone. */
const passedOn = [
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'TMPDIR',
] as const;

export function bootstrapEnvironment(
  env: Record<string, string | undefined> = process.env,
): Record<string, string> {
  const passed = passedOn.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    SOURCE_DATE_EPOCH: '315532801',
    ...Object.fromEntries(passed),
  };
}
