// Cron expressions (POSIX crontab, with Vixie's names, steps and @words), always in UTC. The builder refuses wrong ones with it, the controller
// finds the next minute with it. Pure.

export interface CronSchedule {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
  /** Day and weekday are both restricted: either is enough, as crontab(5) says. */
  eitherDay: boolean;
}

const words: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

interface Field {
  name: string;
  min: number;
  max: number;
  names?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day', min: 1, max: 31 },
  {
    name: 'month',
    min: 1,
    max: 12,
    names: ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'weekday', min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

/** The schedule, or what is wrong with the text in one clause. */
export function parseCron(text: string): CronSchedule | string {
  const given = text.trim();
  if (given.startsWith('@') && !Object.hasOwn(words, given))
    return `"${given}" is none of ${Object.keys(words).join(', ')}`;
  const parts = (words[given] ?? given).split(/\s+/);
  if (parts.length !== 5)
    return `a cron expression has 5 fields (minute hour day month weekday), this has ${given === '' ? 0 : parts.length}`;
  const sets: Set<number>[] = [];
  for (const [index, field] of fields.entries()) {
    const set = parseField(parts[index] ?? '', field);
    if (typeof set === 'string') return set;
    sets.push(set);
  }
  const [minutes, hours, days, months, weekdays] = sets as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  if (weekdays.delete(7)) weekdays.add(0);
  const eitherDay = !parts[2]?.startsWith('*') && !parts[4]?.startsWith('*');
  const schedule = { minutes, hours, days, months, weekdays, eitherDay };
  if (nextTick(schedule, new Date(0)) === undefined) return `"${given}" names a day that never comes`;
  return schedule;
}

function parseField(text: string, field: Field): Set<number> | string {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\*|[a-z0-9]+(?:-[a-z0-9]+)?)(?:\/(\d{1,3}))?$/i.exec(part);
    const [from, to] = match ? rangeOf(match[1] ?? '', field) : [Number.NaN, Number.NaN];
    const step = match?.[2] === undefined ? 1 : Number(match[2]);
    // "5/15" means "5-59/15", as in Vixie's cron.
    const last = match?.[2] !== undefined && /^[a-z0-9]+$/i.test(match[1] ?? '') ? field.max : to;
    if (!(from >= field.min && last <= field.max && from <= last && step >= 1))
      return `"${part}" is no ${field.name} (${field.min}-${field.max})`;
    for (let value = from; value <= last; value += step) found.add(value);
  }
  return found;
}

function rangeOf(text: string, field: Field): [number, number] {
  if (text === '*') return [field.min, field.name === 'weekday' ? 6 : field.max];
  const [first = '', second = first] = text.toLowerCase().split('-');
  return [numberOf(first, field), numberOf(second, field)];
}

function numberOf(word: string, field: Field): number {
  if (/^\d{1,2}$/.test(word)) return Number(word);
  const index = word === '' ? -1 : (field.names?.indexOf(word) ?? -1);
  return index === -1 ? Number.NaN : index;
}

/** 29 February comes at most 8 years later (2096 to 2104). */
const horizonDays = 9 * 366;

/** The first whole minute after a time at which the schedule is due. */
export function nextTick(schedule: CronSchedule, after: Date): Date | undefined {
  const start = new Date(after);
  start.setUTCSeconds(0, 0);
  start.setUTCMinutes(start.getUTCMinutes() + 1);
  const day = new Date(start);
  day.setUTCHours(0, 0, 0, 0);
  for (let count = 0; count < horizonDays; count++, day.setUTCDate(day.getUTCDate() + 1)) {
    if (!isDue(schedule, day)) continue;
    for (const hour of [...schedule.hours].sort((a, b) => a - b))
      for (const minute of [...schedule.minutes].sort((a, b) => a - b)) {
        const tick = new Date(day);
        tick.setUTCHours(hour, minute);
        if (tick >= start) return tick;
      }
  }
  return undefined;
}

function isDue({ days, months, weekdays, eitherDay }: CronSchedule, day: Date): boolean {
  if (!months.has(day.getUTCMonth() + 1)) return false;
  const byDay = days.has(day.getUTCDate());
  const byWeekday = weekdays.has(day.getUTCDay());
  return eitherDay ? byDay || byWeekday : byDay && byWeekday;
}
