/** Pause, resume, halt, and the emergency stop of delivery: marks in the control document, each with who, when and why. */
import type { ControlDocument, Mark } from '../../contracts/documents.ts';
import { VersionConflict } from '../../ports/documents.ts';
import { type Operator, OperatorError } from './operator.ts';

export const MARKS = ['paused', 'halted', 'deliveryHeld'] as const;
export type MarkName = (typeof MARKS)[number];

const CONTROL = 'control';
/** Writers of the control document are people; more than this is not contention but a fault. */
const ATTEMPTS = 5;

export interface MarksPayload {
  readonly paused: Mark | null;
  readonly halted: Mark | null;
  readonly deliveryHeld: Mark | null;
  readonly set: readonly MarkName[];
  readonly cleared: readonly MarkName[];
  /** Marks that were asked for and stood already: the first who, when and why are kept. */
  readonly unchanged: readonly MarkName[];
  readonly next: string;
}

export interface MarkChange {
  readonly set?: readonly MarkName[] | undefined;
  readonly clear?: readonly MarkName[] | undefined;
  readonly why: string;
}

type Marker = Pick<Operator, 'identity' | 'documents' | 'clock' | 'command'>;

export async function setMarks(operator: Marker, { set = [], clear = [], why }: MarkChange): Promise<MarksPayload> {
  const by = await operator.identity.whoAmI();
  for (let attempt = 1; ; attempt += 1) {
    const stored = await operator.documents.get('control', CONTROL);
    const before: ControlDocument = stored?.value ?? {};
    const mark: Mark = { by, at: operator.clock.now().toISOString(), why };
    const toSet = set.filter((name) => before[name] === undefined);
    const toClear = clear.filter((name) => before[name] !== undefined);
    const unchanged = [
      ...set.filter((name) => !toSet.includes(name)),
      ...clear.filter((name) => !toClear.includes(name)),
    ];
    const { overwriting } = before;
    const after: ControlDocument = {
      ...(overwriting === undefined ? {} : { overwriting }),
      ...Object.fromEntries(
        MARKS.flatMap((name) => {
          const kept = toSet.includes(name) ? mark : toClear.includes(name) ? undefined : before[name];
          return kept === undefined ? [] : [[name, kept]];
        }),
      ),
    };
    try {
      if (toSet.length + toClear.length > 0)
        await operator.documents.put('control', CONTROL, after, stored?.version ?? 'absent');
      return { ...readMarks(after), set: toSet, cleared: toClear, unchanged, next: nextOf(operator, after) };
    } catch (error) {
      if (!(error instanceof VersionConflict)) throw error;
      if (attempt === ATTEMPTS) {
        throw new OperatorError('failed', `the control document changed ${ATTEMPTS} times while it was written`, {
          next: operator.command('status'),
          cause: error,
        });
      }
    }
  }
}

export function readMarks(control: ControlDocument): Pick<MarksPayload, MarkName> {
  return { paused: control.paused ?? null, halted: control.halted ?? null, deliveryHeld: control.deliveryHeld ?? null };
}

function nextOf(operator: Pick<Operator, 'command'>, control: ControlDocument): string {
  if (control.paused !== undefined || control.halted !== undefined) return operator.command('resume');
  return operator.command(control.deliveryHeld === undefined ? 'status' : 'flags resume-delivery');
}
