/**
 * At most three streams at once over all tabs: a browser holds six HTTP/1.1 connections to a server, and a seventh
 * request, such as a stop, would wait for one of them without any error.
 *
 * A stream that reads holds a slot, a record with a lease; one that waits has a record too. A conversation on the screen
 * comes before those in the background. Among equals, a holder gives way after a while.
 */

export const LIMIT = 3;
const LEASE = 8_000; // ms; a tab that was killed holds a slot for no longer
const SHARE = 3_000; // ms after which a holder gives way to an equal

/**
 * Decide about the slot of a stream: `{id, turn, isShown, holds}`, where `holds` says whether it reads now.
 *
 * Returns the change of the records, in which `result` is "held", "wait", "yield", or "elsewhere" if another tab reads this
 * turn, and this one does not show it.
 */
export const decideSlot = (slots, {id, turn, isShown, holds}, now) => {
  const remove = slots.filter((slot) => slot.until <= now && slot.id !== id).map((slot) => slot.id);
  const others = slots.filter((slot) => slot.until > now && slot.id !== id);
  const mine = slots.find((slot) => slot.id === id && slot.until > now && slot.holds === holds);
  if (holds && !mine) return {remove: [...remove, id], result: "yield"}; // the lease has expired: the tab stood still
  const since = mine?.since ?? now;
  const change = (result, holds, since) => ({
    remove,
    result,
    put: [{id, turn, isShown, holds, since, until: now + LEASE}],
  });
  if (!isShown && others.some((slot) => slot.turn === turn)) return {remove: [...remove, id], result: "elsewhere"};
  const holders = others.filter((slot) => slot.holds);
  const before = (slot) => (slot.isShown === isShown ? slot.since < since : slot.isShown);
  const ahead = others.filter((slot) => !slot.holds && before(slot)).length;
  if (!holds) return holders.length + ahead < LIMIT ? change("held", true, now) : change("wait", false, since);
  const isDue = now - since >= SHARE;
  const claims = others.filter(
    (slot) => !slot.holds && (slot.isShown > isShown || (isDue && slot.isShown === isShown)),
  ).length;
  const firstToGo = holders.filter(
    (slot) => slot.isShown < isShown || (slot.isShown === isShown && slot.since < since),
  ).length;
  const isFull = holders.length + 1 >= LIMIT;
  return isFull && firstToGo < claims ? {remove: [...remove, id], result: "yield"} : change("held", true, since);
};

export class Slots {
  constructor(store, tab) {
    this.store = store;
    this.tab = tab;
  }

  /** Take, keep or wait for a slot; see `decideSlot`. */
  decide(turn, isShown, holds) {
    const mine = {id: `${this.tab}:${turn}`, turn, isShown, holds};
    return this.store.changeSlots((slots) => decideSlot(slots, mine, Date.now())).catch(() => "held");
  }

  release(turn) {
    return this.store.changeSlots(() => ({remove: [`${this.tab}:${turn}`]})).catch(() => {});
  }
}
