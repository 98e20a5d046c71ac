/** Where the demo's plan lies, seen from the checkout. */
export const PLAN_FILE = 'lib/demo/shop.plan.yaml';
