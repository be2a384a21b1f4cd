-- Objects with so many detections
-- For what was seen once and never again, or a hundred times: objects by the survey's own count of their detections.
-- survey: lsst
-- param least integer from 0: the least number of detections, itself included
-- param most integer from 0 default 1000000: the greatest, itself included
-- example: least=2 most=5
-- result: one row an object: its id, detections, position (deg) and the time of the newest alert (MJD, TAI); most
--   detections first
-- caveat: the count is as old as the newest alert of the object, and may differ from the rows that the archive has of
--   it
-- cost: the columns that are shown, of all alerts
SELECT diaObjectId, nDiaSources, ra, dec, _mjd_tai
FROM lsst.DiaObject
WHERE diaObjectId <> 0 AND nDiaSources BETWEEN $least AND $most
ORDER BY nDiaSources DESC, diaObjectId
