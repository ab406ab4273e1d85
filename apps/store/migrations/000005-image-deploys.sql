-- 000005: builds of a finished image (`berth deploy --image`), which have no commit.
-- Breaking: no (columns that may be null; no older row is).

-- image_request: what was asked for, {"reference", "force"}; null for every build of a tree.
ALTER TABLE builds
  ALTER COLUMN commit_oid DROP NOT NULL,
  ALTER COLUMN tree_oid DROP NOT NULL,
  ADD COLUMN image_request jsonb;
ALTER TABLE pushes ALTER COLUMN new_oid DROP NOT NULL, ALTER COLUMN tree_oid DROP NOT NULL;
