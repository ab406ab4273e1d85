// The addresses that users are told.
import type { ControllerConfig } from './config.ts';

export function appUrl(
  config: Pick<ControllerConfig, 'BERTH_DOMAIN' | 'BERTH_HTTP_PORT'>,
  app: string,
): string {
  const port = config.BERTH_HTTP_PORT === 80 ? '' : `:${config.BERTH_HTTP_PORT}`;
  return `http://${app}.${config.BERTH_DOMAIN}${port}`;
}

export function gitUrl(config: Pick<ControllerConfig, 'BERTH_PUBLIC_API_URL'>, app: string): string {
  return `${config.BERTH_PUBLIC_API_URL}/${app}.git`;
}
