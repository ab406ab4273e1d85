// Which programs an app's image has to hold besides its own packages: Node nearly always, a package manager only when something calls it.
// A program that only the build needs is not in the image. Pure; used by driver.ts.
import type { Facts } from './facts.ts';
import type { Manifest } from './manifest.ts';

export interface NeededTools {
  node: boolean;
  npm: boolean;
  /** yarn, pnpm or bun. */
  manager: boolean;
}

/** Scripts of the author's own machine and of the build; any other is something that an operator may run in the live app. */
const notForOperators =
  /^(pre|post)?(start|build|dev|develop|serve|watch|preview|test|tests|e2e|coverage|lint|format|prettier|eslint|check|checks|types?|typecheck|type-check|tsc|fix|clean|prepare|install|publish|version|release|storybook|eject|ng|astro|gatsby|docusaurus|sync|husky|heroku-\w+)([:_-].*)?$/;

export function neededTools(facts: Facts, web: string | undefined): NeededTools {
  const { manager, manifest, workspaces, commandTexts } = facts;
  const texts = [web ?? '', ...commandTexts];
  const names = (pattern: RegExp) => texts.some((text) => pattern.test(text));
  const all = [manifest, ...workspaces.map((one) => one.manifest)];
  const operated = all.some(hasOperatorScripts);
  const label = manager.label;
  const isManagersOwn =
    label !== 'npm' &&
    (operated || names(new RegExp(`\\b${label}x?\\b`)) || manifest.engines[label] !== undefined);
  return {
    node: manager.kind !== 'bun' || !(web !== undefined && isBunAlone(web) && commandTexts.length === 0),
    npm: (label === 'npm' && operated) || names(/\bnp[mx]\b/) || manifest.engines['npm'] !== undefined,
    manager: isManagersOwn,
  };
}

function hasOperatorScripts({ scripts }: Manifest): boolean {
  return Object.keys(scripts).some((name) => !notForOperators.test(name));
}

/** `bun run start` and the like run what package.json says, which may be Node's. */
function isBunAlone(web: string): boolean {
  return /^bun (run )?[\w@./-]+\.(js|ts|mjs|tsx|jsx)$/.test(web);
}
