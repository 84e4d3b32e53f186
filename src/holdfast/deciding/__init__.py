"""Stage 9, pure: findings, policy and budget in, decision out."""
