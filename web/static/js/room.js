// How a caster comes to its room.

import { RequestError } from './session.js';

/** Milliseconds for which people at a display may be asked, and then some. */
export const ASK_FOR = 40000;

/**
 * Makes a room (that of a join token, where there is one) with the display of a code in it, or takes over the room of a ticket. When that room
 * is gone a new one is begun, instead of sending people back. Rejects with a RequestError.
 * @param {import('./session.js').Session} session
 * @param {{code?: string, ticket?: string, token?: string}} where
 * @param {string} key of this device, '' without one
 * @returns {Promise<Message>} the answer `created`
 */
export async function makeRoom(session, where, key) {
  await session.whenOpen();
  /** @type {Object<string, string>} */
  const own = {};
  if (key) own.key = key;
  /** @type {Object<string, string>} */
  const fresh = Object.assign({}, own);
  if (where.code) fresh.code = where.code;
  if (where.token) fresh.token = where.token;
  try {
    return await session.request('create', where.ticket ? Object.assign({ ticket: where.ticket }, own) : fresh, ASK_FOR);
  } catch (err) {
    if (!where.ticket || !(err instanceof RequestError) || (err.code !== 'not_live' && err.code !== 'auth')) throw err;
    return session.request('create', where.token ? Object.assign({ token: where.token }, own) : own);
  }
}
