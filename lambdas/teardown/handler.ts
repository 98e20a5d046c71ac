/**
 * Custom resource: what has to go before CloudFormation can delete the state of a deployment that keeps nothing. It does nothing
 * until the stack is destroyed.
 */
import { emptyState } from '../../lib/adapters/teardown/empty-state.ts';

/** What CloudFormation sends (only what is used). */
export interface TeardownEvent {
  readonly RequestType: 'Create' | 'Update' | 'Delete';
  readonly RequestId: string;
  readonly StackId: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResponseURL: string;
  readonly ResourceProperties: { readonly bucket: string; readonly application: string; readonly profile: string };
}

export async function handler(event: TeardownEvent): Promise<void> {
  const { bucket, profile } = event.ResourceProperties;
  try {
    if (event.RequestType === 'Delete') {
      const removed = await emptyState(event.ResourceProperties);
      console.log(JSON.stringify({ message: 'state emptied', bucket, profile, ...removed }));
    }
    await answer(event, 'SUCCESS');
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    console.error(JSON.stringify({ message: 'state not emptied', bucket, profile, reason }));
    await answer(event, 'FAILED', `${reason}; remove the cause and run cdk destroy again`);
  }
}

/** CloudFormation waits for this, an hour if it must. */
async function answer(event: TeardownEvent, status: 'SUCCESS' | 'FAILED', reason = ''): Promise<void> {
  const body = JSON.stringify({
    Status: status,
    Reason: reason,
    PhysicalResourceId: event.PhysicalResourceId ?? event.LogicalResourceId,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
  });
  // The address is signed for no content type.
  const response = await fetch(event.ResponseURL, { method: 'PUT', body, headers: { 'content-type': '' } });
  if (!response.ok)
    throw new Error(`CloudFormation answered ${response.status} to ${event.RequestType} of ${event.LogicalResourceId}`);
}
