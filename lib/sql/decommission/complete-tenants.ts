import type { Statement } from '../statement.ts';

/** From here on legacy is no longer kept equal, so nothing of these tenants is compared or repaired any more. */
export const endComparison: Statement = {
  text: 'UPDATE crossfade.tenant_state SET copied = false WHERE copied',
  values: [],
};
