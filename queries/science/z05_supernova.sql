-- Supernova candidates, alert part (Z05)
-- For supernova work with ZTF, after Fink: real, star-like, seen more than once, not older than 90 days.
-- survey: ztf
SELECT _alert, _object, candidate.drb, candidate.ndethist, candidate.jd - candidate.jdstarthist AS age_days
FROM ztf.alerts
WHERE candidate.jd - candidate.jdstarthist <= 90 AND candidate.drb > 0.5 AND candidate.classtar > 0.4
  AND candidate.ndethist > 1
