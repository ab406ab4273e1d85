// The pages visitors see when the router answers itself: HTML, or JSON when the request asks for it. The template is compiled at boot.
// Must never hold a value that is not escaped, nor an address or an error text of the machine.
import { readFileSync } from 'node:fs';
import Handlebars from 'handlebars';
import { type OutcomeCode, outcomes, reasons } from './outcomes.ts';

const render = Handlebars.compile(readFileSync(new URL('./pages/error.hbs', import.meta.url), 'utf8'));

/** Browsers come back by themselves while an app starts. */
const refreshSeconds = 3;

export interface PageRequest {
  code: OutcomeCode;
  /** Instead of the outcome's own status, for the parser's refusals. */
  status?: number;
  detail?: string;
  requestId: string;
  wantsJson: boolean;
  isHead: boolean;
  closes: boolean;
}

/** True when an Accept header asks for JSON and not for a page. */
export function wantsJson(headText: string): boolean {
  const accept = /\r\naccept:([^\r]*)/i.exec(headText)?.[1] ?? '';
  return /application\/(?:[\w.]+\+)?json/i.test(accept) && !/text\/html/i.test(accept);
}

/** A whole response, head and body. */
export function errorResponse(page: PageRequest): string {
  const outcome = outcomes[page.code];
  const status = page.status ?? outcome.status;
  const { title, text } = outcome;
  const code = page.code.startsWith('H') ? page.code : '';
  const { requestId, detail } = page;
  const body = page.wantsJson
    ? `${JSON.stringify({ error: { code: code === '' ? page.code : code, message: detail ?? title, requestId } })}\n`
    : render({
        title,
        text,
        detail,
        status,
        code,
        requestId,
        refreshSeconds: page.code === 'H20' ? refreshSeconds : 0,
      });
  const head = [
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Error'}`,
    `content-type: ${page.wantsJson ? 'application/json' : 'text/html; charset=utf-8'}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    ...(requestId === '' ? [] : [`x-request-id: ${requestId}`]),
    ...(code === '' ? [] : [`x-berth-code: ${code}`]),
    ...(outcome.mayRetry ? [`retry-after: ${refreshSeconds}`] : []),
    ...(page.closes ? ['connection: close'] : []),
  ];
  return `${head.join('\r\n')}\r\n\r\n${page.isHead ? '' : body}`;
}
