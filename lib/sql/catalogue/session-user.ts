import type { Statement } from '../statement.ts';

export const sessionUser: Statement = { text: 'SELECT session_user::text AS name', values: [] };
