-- Objects by mean flux
-- A range over a column of the object's newest record, here the mean difference flux in r; to ask for another column,
-- write the question to a file with --show and change it.
-- survey: lsst
-- param least number nJy: the least mean flux in r, itself included
-- param most number nJy: the greatest mean flux in r, itself included
-- example: least=1000 most=2000
-- result: one row an object: its id, the flux and its error (nJy), the position (deg), and the time of the newest alert
--   (MJD, TAI); brightest first
-- caveat: the mean is the survey's and as old as the newest alert; objects without a measurement in r have none
-- cost: the columns that are shown, of all alerts
SELECT diaObjectId, r_psfFluxMean, r_psfFluxMeanErr, ra, dec, _mjd_tai
FROM lsst.DiaObject
WHERE diaObjectId <> 0 AND r_psfFluxMean BETWEEN $least AND $most
ORDER BY r_psfFluxMean DESC, diaObjectId
