/** `doctor`: small checks, each with what it saw and what to run; together they fold into one verdict. A check that throws has failed. */
import type { Check, CheckAnswer, DoctorSubject } from './doctor-check.ts';
import { checkDeployment } from './doctor-deployment.ts';
import { checkMigration } from './doctor-migration.ts';
import { messageOf } from './operator.ts';

export interface CheckedItem extends CheckAnswer {
  readonly check: string;
}

export interface DoctorPayload {
  readonly plan: string;
  readonly healthy: boolean;
  readonly checks: readonly CheckedItem[];
  readonly next: string;
}

export async function runDoctor(subject: DoctorSubject): Promise<DoctorPayload> {
  const deployment = await runChecks(checkDeployment(), subject);
  const isWhole =
    subject.system !== undefined && deployment.every((item) => item.result !== 'failed' || item.check === 'plan');
  const migration = isWhole ? await runMigrationChecks(subject) : [];
  const checks = [...deployment, ...migration];
  const worst = checks.find((item) => item.result === 'failed') ?? checks.find((item) => item.result === 'warning');
  return {
    plan: subject.plan,
    healthy: checks.every((item) => item.result !== 'failed'),
    checks,
    next: worst?.next === undefined ? subject.command('status') : commandOf(subject, worst.next),
  };
}

async function runMigrationChecks(subject: DoctorSubject): Promise<readonly CheckedItem[]> {
  try {
    return await runChecks(checkMigration(), await subject.open());
  } catch (error) {
    return [{ check: 'system', result: 'failed', says: messageOf(error) }];
  }
}

export async function runChecks<Subject>(
  checks: readonly Check<Subject>[],
  subject: Subject,
): Promise<readonly CheckedItem[]> {
  return Promise.all(
    checks.map(async ({ name, run }): Promise<CheckedItem> => {
      try {
        return { check: name, ...(await run(subject)) };
      } catch (error) {
        return { check: name, result: 'failed', says: messageOf(error) };
      }
    }),
  );
}

/** Some advice is a command of another program. */
function commandOf(subject: DoctorSubject, next: string): string {
  return /^(npm|aws) /.test(next) ? next : subject.command(next);
}
