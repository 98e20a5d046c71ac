/** `status --watch`: draws the status again until Ctrl-C; without a terminal, only what changed is told. */
import type { Operator } from '../application/operate/operator.ts';
import { readStatus } from '../application/operate/status.ts';
import type { StatusPayload } from '../application/operate/status-payload.ts';
import type { Context } from './context.ts';
import { renderStatus } from './render/status.ts';

const EVERY_MS = 2_000;

/** @returns the last status, which the caller prints as the answer. */
export async function watchStatus(context: Context, operator: Operator): Promise<StatusPayload> {
  const interrupted = context.interrupted();
  let told = '';
  for (;;) {
    const status = await readStatus(operator);
    if (interrupted.aborted) return status;
    told = show(context, status, told);
    await context.clock.sleep(EVERY_MS, interrupted);
    if (interrupted.aborted) return status;
  }
}

/** @returns what the next picture is compared with. */
function show({ terminal, options }: Context, status: StatusPayload, told: string): string {
  const picture = options.json ? JSON.stringify(status) : renderStatus(status, terminal.paint);
  // Time passes in every picture; a change is what else differs.
  const substance = JSON.stringify({
    ...status,
    at: '',
    windows: [],
    relays: [],
    drift: { ...status.drift, cleanMs: 0, reasons: [] },
  });
  if (options.json || !terminal.isOutputWatched) {
    if (substance !== told) terminal.out(picture);
    return substance;
  }
  terminal.clear();
  terminal.out(`${picture}\n\n${terminal.paint.dim('every 2 s; Ctrl-C ends watching and nothing else')}`);
  return substance;
}
