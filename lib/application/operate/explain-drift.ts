/**
 * The history of one row from capture to now: what the control table remembers of its differences, and what both stores know of it,
 * which the relay is asked for (trace.ts). Without an answer the record alone is told, and the gap is named.
 */
import type { DriftDocument, TenantDocument } from '../../contracts/documents.ts';
import type { TraceAnswer, TracedRowState, TraceStep } from '../../contracts/trace.ts';
import { driftId } from '../reconcile/record-cycle.ts';
import { type DifferenceState, quote, stateOf } from './drift.ts';
import { type Operator, OperatorError } from './operator.ts';
import { askTrace, toRowKey } from './trace.ts';

export interface DriftExplainPayload {
  readonly table: string;
  readonly rowKey: string;
  /** null: no cycle has found it differing, or longer ago than is remembered. */
  readonly difference: DriftDocument | null;
  readonly state: DifferenceState | null;
  readonly meaning: string | null;
  readonly likely: string | null;
  readonly tenant: Pick<TenantDocument, 'tenant' | 'stage' | 'on' | 'copied' | 'generation'> | null;
  /** Capture, tries, applied log, repairs; in order. */
  readonly steps: readonly TraceStep[];
  readonly now: readonly TracedRowState[];
  readonly verdict: string;
  /** Whether the stores differ now, as far as is known. */
  readonly differs: boolean;
  readonly gaps: readonly string[];
  readonly next: string;
}

const KINDS: Readonly<Record<DriftDocument['kind'], { readonly meaning: string; readonly likely: string }>> = {
  missing: {
    meaning: 'legacy has the row, the target does not',
    likely:
      'a write that capture did not see (TRUNCATE, replica role, before install), a parked event, or a delete made on the target past the fence',
  },
  extra: {
    meaning: 'the target has the row, legacy does not',
    likely: 'a delete that capture did not see, or a row inserted on the target past the fence',
  },
  different: {
    meaning: 'both stores have the row, and the named columns differ',
    likely:
      'a write on the target past the fence, an update that capture did not see, or a mapping that is not what the plan says',
  },
};

export interface ExplainRequest {
  readonly table: string;
  readonly rowKey: string;
  /** 0: the record alone. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** @throws {OperatorError} usage, when neither the record nor a store knows the row. */
export async function explainDrift(operator: Operator, request: ExplainRequest): Promise<DriftExplainPayload> {
  const { table } = request;
  const named = [request.rowKey, toRowKey(request.rowKey)];
  const found = await Promise.all(named.map((rowKey) => operator.documents.get('drift', driftId({ table, rowKey }))));
  const difference = found.find((stored) => stored !== undefined)?.value ?? null;
  const rowKey = difference?.rowKey ?? toRowKey(request.rowKey);
  const [answer, gaps] = await askStores(operator, { ...request, rowKey });
  if (difference === null && answer.steps.length === 0 && answer.rows.every(isNowhere)) {
    throw new OperatorError(
      'usage',
      `no difference on record for ${table} ${request.rowKey}; it converged, was repaired, or the key is written differently${gaps.map((gap) => `; ${gap}`).join('')}`,
      { next: operator.command(`drift show --table ${quote(table)}`) },
    );
  }
  const owner = difference?.tenant ?? null;
  const tenant = owner === null ? undefined : (await operator.documents.get('tenant', owner))?.value;
  const facts: Facts = { table, difference, answer, tenant };
  const { text, differs, next } = judge(facts);
  return {
    table,
    rowKey,
    difference,
    state: difference === null ? null : stateOf(difference),
    meaning: difference === null ? null : KINDS[difference.kind].meaning,
    likely: difference === null ? null : KINDS[difference.kind].likely,
    tenant:
      tenant === undefined
        ? null
        : {
            tenant: tenant.tenant,
            stage: tenant.stage,
            on: tenant.on,
            copied: tenant.copied,
            generation: tenant.generation,
          },
    steps: answer.steps,
    now: answer.rows,
    verdict: text,
    differs,
    gaps: [...gaps, ...answer.gaps, ...(answer.truncated ? ['there is more than is shown here'] : [])],
    next: operator.command(next),
  };
}

type Answer = Pick<TraceAnswer, 'steps' | 'rows' | 'gaps' | 'truncated'>;

const NOTHING: Answer = { steps: [], rows: [], gaps: [], truncated: false };

async function askStores(
  operator: Operator,
  { table, rowKey, waitMs, signal }: ExplainRequest,
): Promise<readonly [Answer, readonly string[]]> {
  if (waitMs === 0) return [NOTHING, ['the stores were not asked (--no-wait)']];
  try {
    return [await askTrace(operator, { by: 'row', table, rowKey }, { waitMs, signal }), []];
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [NOTHING, [error.message]];
  }
}

interface Facts {
  readonly table: string;
  readonly difference: DriftDocument | null;
  readonly answer: Answer;
  readonly tenant: TenantDocument | undefined;
}

interface Judged {
  readonly text: string;
  readonly differs: boolean;
  readonly next: string;
}

/** The last word of each event of the row. */
function lastWords(steps: readonly TraceStep[]): ReadonlyMap<string, TraceStep> {
  const last = new Map<string, TraceStep>();
  for (const step of steps) if (step.seq !== null) last.set(`${step.direction} ${step.seq}`, step);
  return last;
}

const ON_ITS_WAY: readonly string[] = ['pending', 'retry', 'waits', 'redriven', 'captured'];

/** One sentence, and the command that follows from it. */
function judge({ table, difference, answer, tenant }: Facts): Judged {
  const ends = [...lastWords(answer.steps).values()];
  const aside = ends.find(({ what }) => what === 'parked' || what === 'dead');
  const open = ends.find(({ what }) => ON_ITS_WAY.includes(what));
  const now = answer.rows.find(({ same }) => same !== null);
  const repairNow = `reconcile --table=${quote(table)} --repair`;
  const isRecorded = difference !== null && difference.repairedAt === undefined;
  if (aside !== undefined && now?.same !== true)
    return {
      text: `event ${aside.seq} of the row is ${aside.what}: ${aside.detail}; until it is redriven or explained the stores differ`,
      differs: true,
      next: 'redrive --dry-run',
    };
  if (open !== undefined)
    return {
      text: `event ${open.seq} of the row is on its way (${open.what}): what differs is in flight, not drift`,
      differs: now?.same === false,
      next: 'status',
    };
  if (tenant !== undefined && !(tenant.on && tenant.copied))
    return {
      text: `tenant ${tenant.tenant} is ${tenant.on ? 'still being copied' : 'off'}: its rows are left out of the comparison, and copied when it is on`,
      differs: now?.same === false,
      next: 'status',
    };
  if (now === undefined)
    return isRecorded
      ? {
          text: 'the last cycle that looked found it differing; how it stands now is not known',
          differs: true,
          next: repairNow,
        }
      : { text: 'it is over on record; how it stands now is not known', differs: false, next: 'drift status' };
  if (now.same)
    return isRecorded
      ? {
          text: 'both stores hold the same now; the next full pass takes it off the record',
          differs: true,
          next: `reconcile --table=${quote(table)}`,
        }
      : { text: 'both stores hold the same now', differs: false, next: 'drift status' };
  const columns = now.columns ?? difference?.columns ?? [];
  const how = columns.length === 0 ? describePresence(now) : `they differ in ${columns.join(', ')}`;
  return {
    text: `every event of the row has ended, and ${how}: drift that no delivery will mend`,
    differs: true,
    next: now.repair === null ? repairNow : 'status',
  };
}

function describePresence({ digests: { legacy, target } }: TracedRowState): string {
  if (target === 'absent') return 'only legacy has it';
  return legacy === 'absent' ? 'only the target has it' : 'the stores hold different rows';
}

function isNowhere({ version, digests: { legacy, target } }: TracedRowState): boolean {
  return version === null && (legacy === null || legacy === 'absent') && (target === null || target === 'absent');
}
