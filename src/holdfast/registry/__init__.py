"""Stage 3: versions, lineage, aliases, bundles, the compiled artefact."""
