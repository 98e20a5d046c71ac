import type { Statement } from '../statement.ts';

export function releaseLease(name: string, holder: string): Statement {
  return { text: 'DELETE FROM crossfade.lease WHERE name = $1::text AND holder = $2::text', values: [name, holder] };
}
