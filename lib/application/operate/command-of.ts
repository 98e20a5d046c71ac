/** The command line that makes a request, for the next command of its dry run: nothing of what was asked for may get lost on the way. */
import { REGION_PREFIX } from '../../contracts/machine-io.ts';
import { formatDuration } from '../../plan/units.ts';
import { quote } from './drift.ts';
import type { StartRequest } from './start-machine.ts';

/** As it would be typed, without `--dry-run`. */
export function commandOf(request: StartRequest): string {
  const { machine, from, scope, tables = [], mode, scopeKind, windowMs, limit, keys = [], repair } = request;
  const option = (name: string, value: string | number | null | undefined) =>
    value == null ? [] : [`--${name} ${typeof value === 'number' ? value : quote(value)}`];
  return [
    machine === 'rollback' ? `rollback ${from ?? ''}` : machine === 'reconcile' ? machine : `start ${machine}`,
    ...scope.flatMap((one) =>
      one.startsWith(REGION_PREFIX) ? option('region', one.slice(REGION_PREFIX.length)) : option('tenant', one),
    ),
    ...tables.flatMap((table) => option('table', table)),
    ...option('mode', mode),
    ...option('scope', keys.length > 0 ? null : scopeKind),
    ...option('window', windowMs == null ? null : formatDuration(windowMs)),
    ...option('limit', limit),
    ...option('key', keys.length === 0 ? null : keys.length === 1 ? keys[0] : `[${keys.join(', ')}]`),
    ...(repair === true ? ['--repair'] : []),
  ].join(' ');
}
