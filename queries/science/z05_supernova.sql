-- Supernova candidates, alert part (Z05)
-- For supernova work with ZTF, after Fink: real, star-like, seen more than once, not older than 90 days.
-- survey: ztf
-- result: one row an alert that passes: its id, its object, score, detections, and the days since it was first seen
-- caveat: only the cuts on the alert; Fink's scores and cross-matches are not in packets
-- cost: five columns of all alerts
SELECT _alert, _object, candidate.drb, candidate.ndethist, candidate.jd - candidate.jdstarthist AS age_days
FROM ztf.alerts
WHERE candidate.jd - candidate.jdstarthist <= 90 AND candidate.drb > 0.5 AND candidate.classtar > 0.4
  AND candidate.ndethist > 1
