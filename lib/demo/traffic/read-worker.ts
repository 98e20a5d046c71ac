/** A reader of the shop: one row or one page at a time through the API, at a steady rate, counting who answered. */
import { SIZE, seededSku, seededUuid, TENANTS, tenantOfNumber } from '../shop-size.ts';
import type { Api, ApiAnswer } from './api.ts';
import type { Random } from './random.ts';

export interface ReadQuestion {
  readonly table: string;
  readonly tenant: string;
  /** A JSON list of the key's values; absent: a page. */
  readonly key?: string | undefined;
}

export interface ReadObserver {
  answered(answer: ApiAnswer): void;
  failed(question: ReadQuestion, error: unknown): void;
}

/** @param path the plan's `reads.route`. */
export async function readOnce(api: Api, path: string, random: Random, observer: ReadObserver): Promise<void> {
  const question = drawQuestion(random);
  const { table, tenant, key } = question;
  try {
    const answer = await api.get(path, { table, tenant, ...(key === undefined ? { limit: '10' } : { key }) });
    // A row that moved or went away is a fair answer.
    if (answer.status !== 200 && answer.status !== 404)
      throw new Error(`HTTP ${answer.status}: ${answer.body.slice(0, 300)}`);
    observer.answered(answer);
  } catch (error) {
    observer.failed(question, error);
  }
}

function drawQuestion(random: Random): ReadQuestion {
  const n = 1 + random.below(SIZE.customers - 1);
  const tenant = tenantOfNumber(n);
  switch (random.below(5)) {
    case 0:
      return { table: 'customers', tenant, key: JSON.stringify([seededUuid('customer', n)]) };
    case 1:
      return { table: 'orders', tenant, key: JSON.stringify([n]) };
    case 2:
      return { table: 'order_lines', tenant, key: JSON.stringify([n, 1]) };
    case 3: {
      const owner = random.pick(TENANTS);
      return {
        table: 'stock',
        tenant: owner,
        key: JSON.stringify([owner, seededSku(random.below(SIZE.productsPerTenant)), 1]),
      };
    }
    default:
      return { table: 'visits', tenant: random.pick(TENANTS) };
  }
}
