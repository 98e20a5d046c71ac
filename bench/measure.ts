/** Variants are run in turns, there and back (ABC CBA ABC), so that the noise and the drift of a busy machine hit all of them alike. */
import { serverCpuMs } from './server-cpu.ts';

/** What one run of a variant did: `events` of work in `ms`. */
export interface Drained {
  readonly events: number;
  readonly ms: number;
  /** CPU time of the client meanwhile, this process or the one it started; undefined where it is not known. */
  readonly nodeCpuMs?: number | undefined;
  /** CPU time of both servers meanwhile; undefined where it is not known. */
  readonly serverCpuMs?: number | undefined;
  /** Of `ms`: without the start of the process that did it. */
  readonly withinMs?: number | undefined;
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  /** Runs in this many of the rounds. Default: all. */
  readonly rounds?: number | undefined;
  /** Prepares, measures and checks its end state. @throws {Error} when the end state is wrong: its number would mean nothing. */
  run(): Promise<Drained>;
}

export interface Measured {
  readonly id: string;
  readonly title: string;
  readonly runs: readonly Drained[];
  /** Why there is no number. */
  readonly failure: string | null;
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Nothing is begun after this, except the first run of each variant. */
  readonly deadline: number;
  /** The same for the first runs. Default: none. */
  readonly lastDeadline?: number | undefined;
  readonly progress: (line: string) => void;
}

/** A variant that fails is not tried again, and takes none of the others with it. */
export async function measureInTurns(
  variants: readonly Variant[],
  { rounds, deadline, lastDeadline = Number.POSITIVE_INFINITY, progress }: MeasureOptions,
): Promise<readonly Measured[]> {
  const runs = new Map<string, Drained[]>(variants.map(({ id }) => [id, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
      if (failures.has(variant.id) || round >= (variant.rounds ?? rounds)) continue;
      if (Date.now() > (round === 0 ? lastDeadline : deadline)) {
        if (round === 0) failures.set(variant.id, 'there was no time left for it');
        continue;
      }
      try {
        const drained = await variant.run();
        runs.get(variant.id)?.push(drained);
        progress(`${round + 1}/${rounds} ${variant.title}: ${Math.round(rateOf(drained))}/s`);
      } catch (error) {
        failures.set(variant.id, error instanceof Error ? error.message : String(error));
        progress(`${variant.title}: failed: ${failures.get(variant.id)}`);
      }
    }
  }
  return variants.map(({ id, title }) => ({
    id,
    title,
    runs: runs.get(id) ?? [],
    failure: failures.get(id) ?? null,
  }));
}

/** CPU microseconds an event, of this process and the servers; undefined where a part of the work is done elsewhere. */
export function costOf({ events, nodeCpuMs, serverCpuMs: servers }: Drained): number | undefined {
  return nodeCpuMs === undefined || servers === undefined ? undefined : (1000 * (nodeCpuMs + servers)) / events;
}

/** Events a second. */
export function rateOf({ events, ms }: Drained): number {
  return (1000 * events) / ms;
}

/** Sessions that have just ended: until the postmaster has taken over their CPU time, nobody has it. */
const SESSIONS_END_MS = 200;

/** As `read`, with the CPU of the sessions that the work has closed. */
export async function readAfterSessions(read: (events: number) => Drained, events: number): Promise<Drained> {
  const drained = read(events);
  await new Promise((resolve) => setTimeout(resolve, SESSIONS_END_MS));
  return { ...drained, serverCpuMs: read(events).serverCpuMs };
}

/** Wall clock, CPU of this process and of the servers since now. */
export function stopwatch(): (events: number) => Drained {
  const serversAtStart = serverCpuMs();
  const cpuAtStart = process.cpuUsage();
  const began = performance.now();
  return (events) => {
    const ms = performance.now() - began;
    const { user, system } = process.cpuUsage(cpuAtStart);
    const servers = serverCpuMs();
    const serverMs = servers === undefined || serversAtStart === undefined ? undefined : servers - serversAtStart;
    return { events, ms, nodeCpuMs: (user + system) / 1000, serverCpuMs: serverMs };
  };
}

export async function timed(events: number, work: () => Promise<unknown>): Promise<Drained> {
  const read = stopwatch();
  await work();
  return readAfterSessions(read, events);
}
