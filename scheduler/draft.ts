// Collects the decisions of one plan and puts them into the order in which they must be executed. Used by the planning steps only.
import type { Action } from '@berth/contract/scheduling.ts';

export type CreateAction = Extract<Action, { kind: 'create' }>;
export type DeploymentAction = Extract<Action, { kind: 'deployment' }>;

export interface Plan {
  actions: Action[];
  /** When to look again though nobody says that anything changed; null = not needed. */
  wakeInMs: number | null;
}

export class Draft {
  readonly route: string[] = [];
  readonly unroute: string[] = [];
  readonly lose: string[] = [];
  readonly forget: string[] = [];
  readonly stop: string[] = [];
  readonly create: CreateAction[] = [];
  readonly place: Extract<Action, { kind: 'place' }>[] = [];
  /** Moves the deployment on to a state in which it works. */
  advance: DeploymentAction | undefined;
  /** Ends the deployment: said after what it depends on. */
  conclude: DeploymentAction | undefined;
  #wakeInMs: number | null = null;

  /** The earliest wish wins; never sooner than a millisecond. */
  wakeIn(ms: number): void {
    const wish = Math.max(1, Math.ceil(ms));
    this.#wakeInMs = this.#wakeInMs === null ? wish : Math.min(this.#wakeInMs, wish);
  }

  /** Routes come before unroutes (no gap), ended rows leave before their slots are filled again, ends come last. */
  finish(): Plan {
    const many = (kind: 'route' | 'unroute' | 'lose' | 'forget' | 'stop', instanceIds: string[]): Action[] =>
      instanceIds.length === 0 ? [] : [{ kind, instanceIds }];
    const actions: Action[] = [
      ...(this.advance ? [this.advance] : []),
      ...many('route', this.route),
      ...many('unroute', this.unroute),
      ...many('lose', this.lose),
      ...many('forget', this.forget),
      ...this.create,
      ...this.place,
      ...many('stop', this.stop),
      ...(this.conclude ? [this.conclude] : []),
    ];
    return { actions, wakeInMs: this.#wakeInMs };
  }
}
