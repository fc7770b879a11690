// How a caster comes to its room.

import { RequestError } from './session.js';

/**
 * Makes a room (that of a join token, where there is one) with the display of a code in it, or takes over the room of a ticket. When that room
 * is gone a new one is begun, instead of sending people back. Rejects with a RequestError.
 * @param {import('./session.js').Session} session
 * @param {{code?: string, ticket?: string, token?: string}} where
 * @returns {Promise<Message>} the answer `created`
 */
export async function makeRoom(session, where) {
  await session.whenOpen();
  /** @type {Object<string, string>} */
  const fresh = {};
  if (where.code) fresh.code = where.code;
  if (where.token) fresh.token = where.token;
  try {
    return await session.request('create', where.ticket ? { ticket: where.ticket } : fresh);
  } catch (err) {
    if (!where.ticket || !(err instanceof RequestError) || (err.code !== 'not_live' && err.code !== 'auth')) throw err;
    return session.request('create', where.token ? { token: where.token } : {});
  }
}
