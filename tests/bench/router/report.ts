// Turns the benchmark's cells into the tables of RESULTS.md: medians, and ratios to the plain nginx of the same run. Pure; used by run.ts.

export interface Cell {
  contender: string;
  scenario: string;
  perSecond: number;
  cpuUs: number;
  p50Us: number;
  p99Us: number;
  errors: number;
  loadedBytes: number;
  /** How much of the proxy's core other processes used during the run. */
  noise: number;
}

export interface Memory {
  contender: string;
  /** For each idle WebSocket. */
  bytes: number;
  /** Before any connection. */
  idle: number;
}

export interface RunFacts {
  seconds: number;
  rounds: number;
  machine: string;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

function middle(cells: Cell[], pick: (cell: Cell) => number): number {
  return median(cells.map(pick));
}

const number = (value: number, digits = 0) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function scenarioTable(scenario: string, cells: Cell[]): string {
  const names = [...new Set(cells.map((cell) => cell.contender))];
  const of = (name: string) => cells.filter((cell) => cell.contender === name);
  const anchorRate = middle(of('nginx'), (cell) => cell.perSecond);
  const anchorCpu = middle(of('nginx'), (cell) => cell.cpuUs);
  const rows = names.map((name) => {
    const mine = of(name);
    const rate = middle(mine, (cell) => cell.perSecond);
    const cpu = middle(mine, (cell) => cell.cpuUs);
    const columns = [
      name,
      number(rate),
      (rate / anchorRate).toFixed(2),
      number(cpu, 1),
      (anchorCpu / cpu).toFixed(2),
      `${number(middle(mine, (cell) => cell.p50Us))} / ${number(middle(mine, (cell) => cell.p99Us))}`,
      number(mine.reduce((sum, cell) => sum + cell.errors, 0)),
      number(middle(mine, (cell) => cell.loadedBytes) / 1e6, 1),
    ];
    return `| ${columns.join(' | ')} |`;
  });
  return `## ${scenario}

| proxy | requests/s | of nginx | cpu µs/request | efficiency of nginx | p50 / p99 µs | errors | PSS MB |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

export function renderReport(cells: Cell[], memory: Memory[], facts: RunFacts): string {
  const names = [...new Set(cells.map((cell) => cell.scenario))];
  const tables = names.map((name) =>
    scenarioTable(
      name,
      cells.filter((cell) => cell.scenario === name),
    ),
  );
  const rows = memory.map(
    ({ contender, bytes, idle }) =>
      `| ${contender} | ${number(bytes / 1000, 1)} | ${number(idle / 1e6, 1)} |`,
  );
  return `# The router beside nginx and haproxy

\`node_modules/.bin/node tests/bench/router/run.ts --seconds ${facts.seconds} --rounds ${facts.rounds} --write\`

${facts.machine}. Loopback, 1,000 hosts in turn, two C backends (150 bytes, or 1 MiB). The proxy has one core, wrk and the
backends share the other. Rounds are interleaved and reversed each time; medians of ${facts.rounds} rounds of ${facts.seconds} s; runs in which other
processes took more than 0.2 of the proxy's core are repeated twice at most (here they took ${number(
    middle(cells, (cell) => cell.noise),
    2,
  )} in the median run). Where the generator is the limit, cpu per request is the figure to compare.
"nginx" and "haproxy" set three forwarding headers and log nothing. "full" adds request id, request start, Via and a
logfmt line for each request; Berth's router always does.

${tables.join('\n')}
## Memory

| proxy | KB for each of 1,000 idle WebSockets | PSS MB idle, 1,000 hosts |
|---|---|---|
${rows.join('\n')}
`;
}
