import type { FlagSetPayload, FlagsPayload } from '../../application/operate/flags.ts';
import { FLAG_NAMES, type Flag } from '../../domain/flags.ts';
import type { Paint } from '../terminal.ts';
import { section, stack, table } from './layout.ts';

export function renderFlags({ version, flags, tenants }: FlagsPayload, paint: Paint): string {
  const rows = FLAG_NAMES.map((name) => [name, ...columnsOf(flags[name], paint)]);
  const wishes = tenants.map((each) => [
    each.tenant,
    yesNo(each.dualWrite),
    yesNo(each.targetReads),
    each.stage ?? '-',
  ]);
  return stack(
    `flags, version ${version}`,
    table(paint, ['flag', '', 'percent', 'tenants', 'except', 'regions', 'services'], rows),
    section(
      paint,
      'tenants',
      wishes.length === 0
        ? 'none known yet'
        : table(paint, ['tenant', 'dual_write', 'target_reads', 'stage in effect'], wishes),
    ),
  );
}

export function renderFlagSet(payload: FlagSetPayload, paint: Paint): string {
  const { flag, before, after, versionBefore, version, changed, dryRun, turnedOn, turnedOff } = payload;
  const what = !changed
    ? `${flag} is that already; nothing was published`
    : dryRun
      ? `dry run: ${flag} would change from version ${versionBefore}`
      : `${flag} published as version ${version} (was ${versionBefore})`;
  return stack(
    what,
    changed
      ? table(
          paint,
          ['', '', 'percent', 'tenants', 'except', 'regions', 'services'],
          [
            ['before', ...columnsOf(before, paint)],
            ['after', ...columnsOf(after, paint)],
          ],
        )
      : '',
    [
      ...(turnedOn.length > 0 ? [`${paint.green('on')}: ${turnedOn.join(', ')}`] : []),
      ...(turnedOff.length > 0 ? [`${paint.yellow('off')}: ${turnedOff.join(', ')}`] : []),
    ].join('\n'),
  );
}

function columnsOf(flag: Flag, paint: Paint): readonly string[] {
  const list = (items: readonly string[]) => (items.length === 0 ? '-' : items.join(', '));
  return [
    flag.enabled ? paint.green('enabled') : paint.dim('disabled'),
    `${flag.percent} %`,
    list(flag.tenants),
    list(flag.except),
    list(flag.regions),
    list(flag.services),
  ];
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}
