// The engine's one nftables table: applies it as a whole, adds and takes single published ports, and puts it back when
// somebody flushed it. Used by networks.ts, which says what belongs in it. Must never apply an older state over a newer one.
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { Helper, PortEntry } from '../runtime/helper.ts';
import { tableName } from './nft-ruleset.ts';

const restMs = 20; // a program that takes the rules away in a loop gets its way, but not the processor
const retryMs = 250; // a helper that is being restarted is back within this time, mostly

export class Firewall {
  readonly #table: string;
  readonly #helper: Helper;
  readonly #log: Logger;
  readonly #ruleset: () => string;
  /** The transaction that is under way, and the one that waits for its end and will carry whatever is true by then. */
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #watching = false;

  /** `ruleset` gives the whole table as it should be at the moment it is asked. */
  constructor(parts: { engineName: string; helper: Helper; log: Logger; ruleset: () => string }) {
    this.#table = tableName(parts.engineName);
    this.#helper = parts.helper;
    this.#log = parts.log;
    this.#ruleset = parts.ruleset;
  }

  /** One transaction: there is no moment without rules, and connections live on. */
  apply(): Promise<void> {
    if (this.#queued) return this.#queued;
    const queued = this.#running
      .catch(() => {})
      .then(() => {
        this.#queued = undefined;
        return this.#helper.applyRuleset(this.#ruleset());
      });
    this.#queued = queued;
    this.#running = queued;
    return queued;
  }

  /** The ports are in `ruleset` already; a table that is gone comes back with them. */
  async publish(ports: PortEntry[]): Promise<void> {
    if (ports.length === 0) return;
    try {
      await this.#helper.publishPorts(this.#table, ports);
      this.#forgetFlows(ports);
    } catch (error) {
      // Not there (flushed), or an entry of a time that nobody remembers: the whole table is the truth.
      if (!(error instanceof AppError) || error.code === 'unavailable') throw error;
      await this.apply();
    }
  }

  /** The ports are out of `ruleset` already. */
  async withdraw(ports: PortEntry[]): Promise<void> {
    if (ports.length === 0) return;
    await this.#helper.withdrawPorts(this.#table, ports);
    this.#forgetFlows(ports);
  }

  /** A client that goes on sending datagrams from one port would be led where its first one was. */
  #forgetFlows(ports: PortEntry[]): void {
    const udp = ports.filter(({ proto }) => proto === 'udp');
    if (udp.length === 0) return;
    this.#helper
      .forgetFlows(udp)
      .catch((err: unknown) => this.#log.warn({ err }, 'clients of UDP ports may be led to old containers'));
  }

  /** Heals the table at once when another program takes rules away; `reassert` also after a helper's restart. */
  watch(reassert: () => Promise<void>): void {
    if (this.#watching) return;
    this.#watching = true;
    void this.#follow(reassert);
  }

  stopWatching(): void {
    this.#watching = false;
  }

  async #follow(reassert: () => Promise<void>): Promise<void> {
    let lost = this.#nextLoss();
    while (this.#watching) {
      const isSeen = await lost;
      if (!this.#watching) return;
      // The helper went, and with it what it saw: look again as soon as it is back.
      if (!isSeen) await sleep(retryMs, undefined, { ref: false });
      else
        this.#log.warn({ table: this.#table }, 'another program took firewall rules away; they are put back');
      lost = this.#nextLoss(); // before the rules are put back: they may be taken away again meanwhile
      await reassert().catch(() => {});
      await sleep(restMs, undefined, { ref: false });
    }
  }

  /** True when rules were lost, false when nobody watches any more. */
  #nextLoss(): Promise<boolean> {
    return this.#helper.waitForTableLoss(this.#table).then(
      () => true,
      () => false,
    );
  }

  async remove(): Promise<void> {
    await this.#helper.applyRuleset(`table inet ${this.#table} {}\ndelete table inet ${this.#table}\n`);
  }
}
