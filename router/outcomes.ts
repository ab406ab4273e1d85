// The closed list of answers the router gives itself, with Heroku's codes, and what visitors read about each.
// Used by the proxy, the pages and the request log. Must never tell a visitor anything about the machine.

export interface Outcome {
  status: number;
  /** In the log, after `desc=`. */
  about: string;
  title: string;
  text: string;
  /** Trying again soon may help. */
  mayRetry: boolean;
}

const again = 'Please try again in a moment.';

export const outcomes = {
  H10: outcome(
    503,
    'App crashed',
    'This app has crashed',
    `It stopped and could not be started again. ${again}`,
  ),
  H11: outcome(503, 'Backlog too deep', 'This app is busy', `Too many requests wait for it. ${again}`, true),
  H12: outcome(503, 'Request timeout', 'This app took too long', `It did not answer in time. ${again}`),
  H13: outcome(
    503,
    'Connection closed without response',
    'This app did not answer',
    `It closed the connection before it answered. ${again}`,
  ),
  H14: outcome(503, 'No web instances running', 'This app is stopped', 'It has no running web instances.'),
  H15: outcome(503, 'Idle connection', 'This app fell silent', `Nothing came for too long. ${again}`),
  H17: outcome(
    502,
    'Poorly formatted HTTP response',
    'This app gave a bad answer',
    `Its answer was not valid HTTP. ${again}`,
  ),
  H18: outcome(
    503,
    'Server request interrupted',
    'This app broke off',
    `It ended in the middle of its answer. ${again}`,
  ),
  H19: outcome(
    503,
    'Backend connection timeout',
    'This app cannot be reached',
    `It did not take the connection in time. ${again}`,
    true,
  ),
  H20: outcome(503, 'App boot timeout', 'This app is starting', `It is not ready yet. ${again}`, true),
  H21: outcome(
    503,
    'Backend connection refused',
    'This app cannot be reached',
    `It does not take connections. ${again}`,
    true,
  ),
  H27: outcome(499, 'Client request interrupted', 'Request interrupted', 'The request was broken off.'),
  H28: outcome(408, 'Client connection idle', 'Request too slow', 'The request body did not arrive in time.'),
  H81: outcome(503, 'Blank app', 'There is nothing here yet', 'Nothing has been deployed to this app yet.'),
  H99: outcome(
    503,
    'Platform error',
    'Something went wrong',
    `The platform could not serve this request. ${again}`,
    true,
  ),
  'no-such-app': outcome(404, 'No such app', 'There is no app here', 'No app answers to this name.'),
  'bad-request': outcome(400, 'Bad request', 'Bad request', 'The request is not valid HTTP.'),
  'too-large': outcome(
    431,
    'Request head too large',
    'Request too large',
    'The request has too many or too long headers.',
  ),
  'too-slow': outcome(408, 'Request head timeout', 'Request too slow', 'The request did not arrive in time.'),
} as const satisfies Record<string, Outcome>;

export type OutcomeCode = keyof typeof outcomes;

function outcome(status: number, about: string, title: string, text: string, mayRetry = false): Outcome {
  return { status, about, title, text, mayRetry };
}

/** The reason phrases of the statuses above and of the parser's. */
export const reasons: Record<number, string> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  499: 'Client Closed Request',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};
