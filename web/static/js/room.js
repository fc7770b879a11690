// How a caster comes to its room.

import { RequestError } from './session.js';

/**
 * Makes a room, with the display of a code in it where there is one, or takes over the room of a ticket. When that room
 * is gone a new one is begun, instead of sending people back. Rejects with a RequestError.
 * @param {import('./session.js').Session} session
 * @param {{code?: string, ticket?: string}} where
 * @returns {Promise<Message>} the answer `created`
 */
export async function makeRoom(session, where) {
  await session.whenOpen();
  try {
    return await session.request('create', where.ticket ? { ticket: where.ticket } : where.code ? { code: where.code } : {});
  } catch (err) {
    if (!where.ticket || !(err instanceof RequestError) || (err.code !== 'not_live' && err.code !== 'auth')) throw err;
    return session.request('create', {});
  }
}
