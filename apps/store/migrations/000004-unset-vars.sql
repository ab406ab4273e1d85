-- 000004: a manifest sets a config var whenever the app does not have it, unless a user has unset it.
-- Breaking: no (no published version has the column).

-- A rollback to a release of before a var was set must not leave the app without it for ever, so what counts is what users unset, not what was given.
ALTER TABLE apps RENAME COLUMN given_vars TO unset_vars;
UPDATE apps SET unset_vars = '{}';
