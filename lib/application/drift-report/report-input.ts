/** What a drift report is made of; the record step and the CLI gather it, each from what it can reach. */
import type { CycleDocument, DriftDocument } from '../../contracts/documents.ts';
import type { ClocksRule } from '../../domain/drift-clocks.ts';
import type { DriftClocksView } from '../operate/drift-clock.ts';

export interface DriftReportInput {
  readonly plan: string;
  readonly environment: string | null;
  /** ISO; everything is as of then. */
  readonly at: string;
  readonly rule: ClocksRule;
  readonly alert: { readonly driftPercent: number; readonly cycles: number };
  readonly view: DriftClocksView;
  /** Newest first. */
  readonly cycles: readonly CycleDocument[];
  readonly open: readonly DriftDocument[];
  readonly incidents: readonly { readonly id: string; readonly says: string; readonly firstAt: string }[];
}
