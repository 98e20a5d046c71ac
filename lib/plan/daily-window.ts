/**
 * A daily window of wall-clock time in a time zone, `"22:00-06:00 Europe/Berlin"`: backfill runs only inside it (guide, phase
 * 3: off-peak windows). It follows the zone's clock, so a night with a change to summer time is an hour shorter.
 */
export interface DailyWindow {
  /** Minutes after midnight in `zone`; `to` below `from` passes midnight. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** IANA name, such as Europe/Berlin. */
  readonly zone: string;
}

export const DAILY_WINDOW_PATTERN = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d) ([A-Za-z][\w+/-]*)$/;
export const DAILY_WINDOW_FORM = 'a daily window with its time zone, such as "22:00-06:00 Europe/Berlin"';

/** @throws {RangeError} where the text is no window, the window is empty, or the zone is not known */
export function parseDailyWindow(text: string): DailyWindow {
  const match = DAILY_WINDOW_PATTERN.exec(text);
  if (match === null) throw new RangeError(`expected ${DAILY_WINDOW_FORM}`);
  const [fromHour, from, toHour, to, zone] = match.slice(1) as [string, string, string, string, string];
  const window = { fromMinute: Number(fromHour) * 60 + Number(from), toMinute: Number(toHour) * 60 + Number(to), zone };
  if (window.fromMinute === window.toMinute)
    throw new RangeError('expected a window that begins and ends at different times; leave the key out for no window');
  if (!isTimeZone(zone))
    throw new RangeError(`expected the IANA name of a time zone, such as Europe/Berlin; "${zone}" is not known`);
  return window;
}

export function isOpen(window: DailyWindow, now: Date): boolean {
  const minute = minuteOfDay(now, window.zone);
  if (window.fromMinute < window.toMinute) return minute >= window.fromMinute && minute < window.toMinute;
  return minute >= window.fromMinute || minute < window.toMinute;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** Clocks are put forward or back by at most two hours. */
const SHIFT_MINUTES = 121;

/**
 * The first moment from `now` on at which the window is open, to the minute; `now` itself where it is open. A window that a change
 * to summer time leaps over does not open on that day.
 */
export function nextOpening(window: DailyWindow, now: Date): Date {
  if (isOpen(window, now)) return now;
  const minute = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS;
  const ahead = (window.fromMinute - minuteOfDay(now, window.zone) + DAY_MINUTES) % DAY_MINUTES;
  for (let day = 0; ; day++) {
    const nominal = minute + (ahead + day * DAY_MINUTES) * MINUTE_MS;
    // By the clock of today; the clock of then may have been changed in between.
    for (let shift = -SHIFT_MINUTES; shift <= SHIFT_MINUTES; shift++) {
      const candidate = new Date(nominal + shift * MINUTE_MS);
      if (candidate.getTime() > now.getTime() && isOpen(window, candidate)) return candidate;
    }
  }
}

/** Share of a day for which the window is open, 0 to 1. */
export function openShare({ fromMinute, toMinute }: DailyWindow): number {
  return ((toMinute - fromMinute + DAY_MINUTES) % DAY_MINUTES) / DAY_MINUTES;
}

function isTimeZone(zone: string): boolean {
  try {
    formatterOf(zone);
    return true;
  } catch {
    return false;
  }
}

function minuteOfDay(now: Date, zone: string): number {
  const parts = formatterOf(zone).formatToParts(now);
  const numberOf = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  return numberOf('hour') * 60 + numberOf('minute');
}

/** To make one costs a hundred times what it costs to use it, and a copy asks before each batch. */
const FORMATTERS = new Map<string, Intl.DateTimeFormat>();

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = FORMATTERS.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  FORMATTERS.set(zone, made);
  return made;
}
