-- 000002: how an app is built beyond what its tree says, and what made a build.
-- Breaking: no (columns with defaults).

-- buildpacks, stack: in force from the next build on; every change is an event with what was before.
ALTER TABLE apps ADD COLUMN buildpacks jsonb NOT NULL DEFAULT '[]', ADD COLUMN stack text;

-- settings: the app's when the build was made, so that a build taken up again is the same build. trigger: who makes builds, a closed list.
-- no_cache: its user asked that nothing made earlier be taken.
ALTER TABLE builds
  ADD COLUMN settings jsonb NOT NULL DEFAULT '{"buildpacks": [], "stack": null}',
  ADD COLUMN trigger text NOT NULL DEFAULT 'push' CHECK (trigger IN ('push', 'deploy', 'image', 'rebase')),
  ADD COLUMN no_cache boolean NOT NULL DEFAULT false;
